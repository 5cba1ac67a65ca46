"""What the service refuses about a PostgreSQL database, each named after the rule."""

from domain.shared.errors import Kind, RuleBroken


class DatabaseUnreachable(RuleBroken):
    """The database cannot be reached, or refuses the credentials."""

    kind = Kind.UNAVAILABLE
    remedy = "Look at the server, the network and OPTAIC_MLOPS_DATABASE_URL."


class PostgresTooOld(RuleBroken):
    """The log's statements need PostgreSQL 15 or later."""

    remedy = "Upgrade the server."


class DatabaseNotUtf8(RuleBroken):
    """Texts of the log are UTF-8; a database of another encoding would refuse or change some."""

    remedy = "Create the database with ENCODING 'UTF8' TEMPLATE template0, then install again."


class DurabilitySwitchedOff(RuleBroken):
    """A setting is off without which a crash of the server loses what was acknowledged."""

    remedy = "Switch it on in the server's configuration and restart; the detail names the setting."


class LogNotInstalled(RuleBroken):
    """The tables of the log are not in this database."""

    remedy = "Run `optaic-mlops database install` with the URL of the database's owner."


class LogFormForeign(RuleBroken):
    """The tables are of a later release, or another program's."""

    remedy = "Check the database's name, and the release that installed it."


class RoleMayChangeLog(RuleBroken):
    """The role may change or delete what is recorded: the application must connect as one that cannot."""

    remedy = "Connect as the role that `optaic-mlops database install --app-role` granted; it owns nothing."
