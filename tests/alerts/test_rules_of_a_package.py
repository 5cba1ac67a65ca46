"""`[[alerts]]` of a definition.toml: read with the package, refused where it is handed in."""

import pytest
from msgspec import UNSET

from domain.alert_rules import AlertRule, AlertRuleInvalid
from domain.ml_module_def.manifest import Manifest
from domain.ml_module_def.package_errors import DefinitionManifestMalformed
from infrastructure.packages.definition_toml import parse_definition
from tests.http.life import TOML

_RULE = """
[[alerts]]
metric = "drift.share"
comparison = "gt"
threshold = 0.5
"""


def parsed(alerts: str) -> Manifest:
    text = TOML.format(name="toy-signal", version="1.0.0") + alerts
    return parse_definition(text.encode(), package_sha256="a" * 64, package_bytes=1)


def test_a_package_without_rules_has_none():
    assert parsed("").alerts is UNSET


def test_rules_are_read_with_their_defaults():
    rule = AlertRule(metric="drift.share", comparison="gt", threshold=0.5)
    patient = AlertRule(metric="drift.share", comparison="gt", threshold=0.5, name="patient", for_runs=3)
    assert parsed(_RULE + _RULE + 'name = "patient"\nfor_runs = 3').alerts == (rule, patient)


def test_a_rule_that_cannot_work_is_refused_by_name():
    with pytest.raises(AlertRuleInvalid, match="two alert rules are called drift-share-gt"):
        parsed(_RULE + _RULE)
    with pytest.raises(AlertRuleInvalid, match=r"drift-share-gt would clear at 0\.6"):
        parsed(_RULE + "clear_threshold = 0.6")


@pytest.mark.parametrize("more", ["thresold = 1.0", 'severity = "fatal"', "for_runs = 0"])
def test_a_misspelt_rule_is_refused(more: str):
    with pytest.raises(DefinitionManifestMalformed):
        parsed(_RULE + more)
