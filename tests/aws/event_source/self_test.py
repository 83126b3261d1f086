"""Mappings that lose records: the accounts must find each of them."""

import json

from mapping import Mapping
from runtime import Outcome
from scenarios import minutes, s3_denies


class ChecksTooFar(Mapping):
    """Takes an answer for a success whatever failures it names, as stand-ins do."""

    def _done(self, records, outcome):
        return len(records) if outcome.status == "answered" else 0


class SkipsTheFailed(Mapping):
    """Goes on after the failed record."""

    def _done(self, records, outcome):
        done = super()._done(records, outcome)
        return min(done + 1, len(records)) if outcome.status == "answered" else done


class KeepsNoPayload(Mapping):
    """Keeps where the records were, as destinations but S3 do; in hours they are gone."""

    def _keep(self, key, record):
        super()._keep(key, record | {"payload": json.dumps({"Records": []})})


class KeepsNothing(Mapping):
    """Gives up without a destination."""

    def _keep(self, key, record):
        pass


BROKEN = [ChecksTooFar, SkipsTheFailed, KeepsNoPayload, KeepsNothing]


class Idle:
    """A function that acknowledges everything and does nothing."""

    arn, starts = "arn:aws:lambda:us-east-1:000000000000:function:idle", 0

    def invoke(self, payload):
        return Outcome("answered", {"batchItemFailures": []}, 0.0)

    def stop(self):
        pass


def hours_of_outage(world):
    """S3 refuses the lake for seven hours, and is mended; asserts nothing by itself."""
    minutes(world, 2)
    world.proxy.fault = s3_denies
    minutes(world, 2)
    world.mapping.run(7 * 3600)
    world.proxy.mend()
    minutes(world, 2)
    world.mapping.drain()


def broken(world_of):
    """Plays them; gives how many were not found."""
    worlds = [world_of(f"broken-{m.__name__.lower()}", mapping=m) for m in BROKEN]
    idle = world_of("broken-idle")
    idle.function = idle.mapping.function = Idle()
    return sum(not is_found(world) for world in [*worlds, idle])


def is_found(world):
    name = world.bucket.removeprefix("lake-")
    try:
        hours_of_outage(world)
        world.check()
    except AssertionError as error:
        if is_right := "lost: " in str(error):
            print(f"ok      {name:<34} is found: {str(error).splitlines()[0]}", flush=True)
        else:
            print(f"FAILED  {name}: {error}")
        return is_right
    finally:
        world.end()
    print(f"FAILED  {name}: it loses records, and is not found")
    return False
