"""Part 6: who was in production when, and where predictions come from."""

from application.views import EdgeView, LineageView
from domain.shared.references import NodeRef
from infrastructure.demo.chapters import SIGNAL, Told
from infrastructure.demo.stage import Stage


def ask(stage: Stage, told: Told) -> None:
    """Ask the log about earlier moments, then the lineage of the newest predictions."""
    _one_event(stage, told.promotions[1])
    _production(stage, told)
    _origins(stage, told)
    _touched(stage)


def _one_event(stage: Stage, position: int) -> None:
    promoted = next(
        event
        for event in (stage.event(at) for at in range(position, 0, -1))
        if event.action == "model_version.promoted"
    )
    stage.account.line(
        f"  One event of it, [{promoted.position}]: {promoted.action} {promoted.resource_id} · "
        f"by {promoted.actor} · {promoted.recorded_at:%H:%M:%SZ} · command {str(promoted.command_id)[:8]} · "
        f"workflow {str(promoted.correlation_id)[:8]}"
    )


def _production(stage: Stage, told: Told) -> None:
    first, second = told.promotions
    now = stage.service.log.head()
    moments = (
        (first + 1, 1, f"  {SIGNAL} in production at [{first + 1}]?"),
        (second, 2, f"  ... at [{second}]?"),
        (now, 1, f"  ... now, [{now}]?"),
    )
    width = max(len(text) for _, _, text in moments)
    for position, expected, text in moments:
        found = stage.production(SIGNAL, position)
        trained = told.trainings[expected - 1].model_version
        stage.account.claim(found.number == trained, f"{found.ref} was in production at {position}")
        since = found.since
        stage.account.line(
            f'{text:<{width}}  @{found.number}, by {since.actor} at [{since.position}]: "{since.reason}"'
        )


def _origins(stage: Stage, told: Told) -> None:
    newest, older = told.predictions[1], told.predictions[0]
    lineage = _up(stage, f"dataset_version:{SIGNAL}-predictions@{newest.dataset_version}")
    stage.account.line("  Where do the newest predictions come from?")
    for text, node in (
        (f"    {SIGNAL}-predictions@{newest.dataset_version}", newest.node),
        ("      its rows of 2021     ", older.node),
    ):
        model = _sources(lineage, node, "model_version:")
        trained = _sources(lineage, model[0], "training_run:")
        inputs = _sources(lineage, trained[0], "dataset_version:")
        stage.account.claim(bool(inputs), f"{node} does not reach its data")
        stage.account.line(
            f"{text} ← {_short(node)} ← {_bare(model)} ← {_short(trained[0])} ← {_bare(inputs)}"
        )


def _touched(stage: Stage) -> None:
    impact = stage.service.queries.impact(stage.tenant, "dataset_version:us-prices@1")
    assert impact is not None
    active = stage.production(SIGNAL, stage.service.log.head()).ref
    stage.account.claim(active in impact.in_production, f"in production: {impact.in_production}")
    stage.account.line(
        f"  What does us-prices@1 touch?  {len(impact.model_versions)} model versions "
        f"({len(impact.in_production)} in production) of {len(impact.instances)} instances, "
        f"{len(impact.dataset_versions)} prediction versions"
    )


def _up(stage: Stage, node: str) -> LineageView:
    found = stage.service.queries.lineage(stage.tenant, NodeRef.parse(node), "up")
    assert found is not None
    return found


def _sources(lineage: LineageView, target: str, prefix: str) -> list[str]:
    edges: tuple[EdgeView, ...] = lineage.edges
    return sorted(edge.source for edge in edges if edge.target == target and edge.source.startswith(prefix))


def _bare(nodes: list[str]) -> str:
    return ", ".join(node.partition(":")[2] for node in nodes)


def _short(node: str) -> str:
    kind, _, identity = node.partition(":")
    return f"{kind}:{identity[:8]}…{identity[-4:]}"
