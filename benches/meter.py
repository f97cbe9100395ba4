"""What a platform asks of S3 and SQS, by operation, as it counts itself."""

import time
from collections import Counter

PATIENCE = 60


class Meter:
    """The platform's own, less what it takes to read it: a reading asks for the state of bucket and queue, too."""

    def __init__(self, one):
        self.one = one
        readings = [self.reading() for _ in range(4)]
        differences = [after - before for before, after in zip(readings, readings[1:])]
        # Polls begin anew at any time.
        self.own = Counter({name: min(each[name] for each in differences) for name in readings[0]})
        self.last = readings[-1]

    def reading(self):
        return Counter(self.one.api("/api/v1/platform")["requests"])

    def asked(self):
        """What was asked for since this was last asked."""
        before, self.last = self.last, self.reading()
        return self.last - before - self.own

    def until(self, condition, what):
        """All that was asked for until then."""
        total, give_up = Counter(), time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            time.sleep(0.2)
            asked = self.asked()
            total += asked
            if condition(of_s3(asked)):
                return total
        raise SystemExit(f"waited {PATIENCE} s for {what}")


def quiet_for(times):
    """A condition: nothing was asked of S3, so many times after another."""
    streak = 0

    def is_quiet(asked):
        nonlocal streak
        streak = 0 if asked else streak + 1
        return streak >= times

    return is_quiet


def of_s3(counts):
    return Counter({name: count for name, count in counts.items() if name.startswith("s3 ")})
