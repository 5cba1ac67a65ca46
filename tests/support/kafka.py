"""A real Apache Kafka for tests: its jars by Maven into a cache, one KRaft broker on loopback ports.

`OPTAIC_MLOPS_TEST_KAFKA` names a broker to use instead (`127.0.0.1:9092`); tests that kill the broker always
start their own.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import ServerProcess, cache, free_port, is_listening, one_at_a_time

GIVEN = "OPTAIC_MLOPS_TEST_KAFKA"
VERSION = "4.1.0"
_POM = Path(__file__).with_name("kafka-pom.xml")
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxied}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.initial.task.delay.ms=500
file.delete.delay.ms=100
"""


def jars() -> Path:
    """The folder of Kafka's jars, resolved once a machine. Raises RuntimeError that says what to install."""
    folder = cache() / f"kafka-{VERSION}"
    if not folder.is_dir():
        with one_at_a_time():
            _resolve(folder)
    return folder


def _resolve(folder: Path) -> None:
    if folder.is_dir():
        return
    for tool, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            raise RuntimeError(f"the tests start a real Kafka and need {tool}: apt-get install {package}")
    aside = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    copying = ["dependency:copy-dependencies", f"-DoutputDirectory={aside}"]
    command = ["mvn", "-q", "-B", "-f", str(_POM), *copying]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise RuntimeError(f"Maven could not resolve Kafka {VERSION}:\n{found.stdout}{found.stderr}")
    aside.rename(folder)


class KafkaBroker:
    """One broker on a folder of its own.

    `bootstrap` is its address; `bootstrap_proxied` is where a `FaultProxy` must listen that forwards to
    `behind_proxy`: clients that come through it are sent back through it.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="optaic-kafka-"))
        self.port, self.behind_proxy, self.proxy_port, controller = (free_port() for _ in range(4))
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.bootstrap_proxied = f"127.0.0.1:{self.proxy_port}"
        properties = self.folder / "server.properties"
        values = {"port": self.port, "behind": self.behind_proxy, "proxied": self.proxy_port}
        text = _PROPERTIES.format(controller=controller, data=self.folder / "data", **values)
        properties.write_text(text, encoding="utf-8")
        classpath = ["-cp", f"{jars()}/*"]
        quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        identity = f"K{secrets.token_urlsafe(16)[1:]}"  # one that begins with - would be taken for an option
        tool = ["java", "-Xmx256m", *quiet, *classpath, "kafka.tools.StorageTool"]
        formatting = [*tool, "format", "-t", identity, "-c", str(properties)]
        subprocess.run(formatting, check=True, capture_output=True)
        memory = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command = ["java", *memory, *quiet, *classpath, "kafka.Kafka", str(properties)]
        self.process = ServerProcess(command, self.folder / "log")

    def start(self) -> None:
        """Start and wait until it answers requests."""
        self.process.start(lambda: is_listening(self.port) and self._answers())

    def stop(self) -> None:
        """A clean shutdown."""
        self.process.end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash."""
        self.process.kill()

    def close(self) -> None:
        """Kill and remove the folder."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            return bool(AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=2).brokers)
        except KafkaException:
            return False


@contextmanager
def broker_address() -> Iterator[str]:
    """The address of a running broker: the one given, or one of our own."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    broker = KafkaBroker()
    try:
        broker.start()
        yield broker.bootstrap
    finally:
        broker.close()
