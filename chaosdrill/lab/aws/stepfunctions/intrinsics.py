"""Intrinsic functions of Step Functions.

Fixes: ``States.MathRandom`` includes its end in moto, so one choice of a cluster endpoint in six was out of range.

:source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html (the end is exclusive)
"""

import random
from typing import Any

from moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.math_operations import math_random

from chaosdrill.lab.aws.patching import replace


def _evaluate(self: Any, env: Any) -> None:
    self.argument_list.eval(env=env)
    arguments = env.stack.pop()
    seed = arguments.pop() if self.argument_list.size == 3 else None
    end = self._validate_integer_value(arguments.pop(), "end")
    start = self._validate_integer_value(arguments.pop(), "start")
    env.stack.append(random.Random(seed).randrange(start, end) if end > start else start)


def install() -> None:
    """Use it for every ``States.MathRandom``."""
    replace(math_random.MathRandom, "_eval_body", _evaluate)
