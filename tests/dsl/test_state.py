"""How large what is stored of a run is."""

from __future__ import annotations

import json

from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, Finished, Sliced
from tests.dsl.runs import echo, program

RELEASE = """
param service
param regions = ["eu-west", "eu-north", "us-east", "us-west", "ap-south", "ap-east"]
param retries = 2

var image = "registry.local/${service}"
var started = now()
var notes = []
var counts = {healthy: 0, slow: 0, failed: 0}

function tag(version) {
    return image + ":" + version
}

function short(text, most) {
    if len(text) <= most {
        return text
    }
    return slice(text, 0, most) + "..."
}

function note(text) {
    return "${service}: " + short(trim(text), 60)
}

function hosts(region, count) {
    var found = []
    for n in range(count) {
        found += ["${region}-${n}.${service}.local"]
    }
    return found
}

function settings(region, version) {
    var made = {region: region, image: tag(version), replicas: 4, limits: {cpu: "500m", memory: "1Gi"}}
    if starts_with(region, "us") {
        made.replicas = 8
        made.limits.cpu = "1"
    }
    return made
}

var version = exec { git describe --tags --always }
exec(timeout: "10m", retry: 2) {
    docker build -t "$image:$version" .
} undo {
    docker rmi "$image:$version"
}

var plan = {}
var fleet = {}
for region in regions {
    plan[region] = settings(region, str(version))
    fleet[region] = hosts(region, 8)
    notes = append(notes, note("planned ${region} with ${plan[region].replicas} replicas"))
}

var total = 0
for region, made in plan {
    total += made.replicas
    if made.replicas > 4 {
        notes += [note("large: ${region}")]
    }
}
log("release of ${tag(str(version))} to ${total} replicas")

for region in regions {
    var name = "state-${region}"
    try {
        exec { backup "$region" "$name" } undo { restore "$region" "$name" }
    } catch e {
        counts.failed += 1
        notes += [note(e.message)]
    }
}

parallel(limit: 3) for region in regions {
    var wanted = plan[region]
    var image_there = wanted.image
    exec { ./switch.sh "$region" "$image_there" } undo { ./switch.sh "$region" previous }
    for host in fleet[region] {
        var tries = 0
        while tries < retries {
            var probe = exec(check: false) { curl -fsS "https://$host/health" }
            if probe.exit_code == 0 {
                break
            }
            tries += 1
        }
    }
}

if counts.failed > 0 {
    fail("${service}: ${counts.failed} backups failed")
}
return {version: str(version), counts: counts, notes: notes, seconds: now() - started}
"""


def test_a_typical_program_in_the_middle_of_its_run_is_stored_in_10_kb() -> None:
    assert 95 <= RELEASE.count("\n") <= 105
    machine = Machine.start(program(RELEASE), {"service": "shop"})
    in_the_middle = 0  # of what is stored while fibres run and undos are open
    while isinstance(outcome := machine.advance(), Asking | Sliced):
        size = len(json.dumps(machine.state()))
        assert size < 10_000
        fibres = len(machine.view()["fibres"])
        if fibres >= 4 and len(machine.undo_stack) > 7:
            in_the_middle = max(in_the_middle, size)
        if not machine.runnable:
            for step in sorted(machine.pending):
                machine.answer(step, echo(machine.pending[step]))
    assert isinstance(outcome, Finished)
    assert in_the_middle > 3_000
