"""Measuring contenders against each other in one run, so that ratios mean something on a busy machine."""

import asyncio
import statistics
import time

# Seconds after which a slow contender has had its turns.
PATIENCE = 10


def measure(contenders, *, rounds, calls):
    """Times every contender in turn, round after round.

    Args:
        contenders: name -> function that makes one call.
        rounds: how often everybody has a turn.
        calls: calls in a turn.

    Returns:
        name -> (wall, cpu): medians over the rounds, in microseconds a call; cpu is this process's.
    """
    for call in contenders.values():
        for _ in range(max(1, min(calls, 20))):
            call()
    samples = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls):
                call()
            samples[name].append(((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls))
    return medians(samples)


def measure_async(contenders, *, rounds, calls, in_flight, finish):
    """Times every contender in turn on one event loop, with so many calls in flight at any time.

    Args:
        contenders: name -> coroutine function that makes one call.
        rounds: how often everybody has a turn.
        calls: calls in a turn.
        in_flight: how many are in flight.
        finish: coroutine function to await in the end, on the same loop.

    Returns:
        name -> (wall, cpu), as `measure` does.
    """

    async def turn(call):
        async def one_after_the_other():
            for _ in range(calls // in_flight):
                await call()

        await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))

    async def all_rounds():
        for call in contenders.values():
            await turn(call)
        samples = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, call in contenders.items():
                if sum(wall for wall, _ in samples[name]) * calls > PATIENCE:
                    continue
                wall, cpu = time.perf_counter(), time.process_time()
                await turn(call)
                samples[name].append(((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls))
        await finish()
        return samples

    return medians(asyncio.run(all_rounds()))


def medians(samples):
    return {name: tuple(statistics.median(column) * 1e6 for column in zip(*taken)) for name, taken in samples.items()}


def table(title, results, *, baseline):
    """Prints the results, fastest first, with ratios to the baseline."""
    print(f"\n{title}")
    print(f"  {'':<28}{'wall':>12}{'ratio':>9}{'cpu':>12}{'ratio':>9}")
    base_wall, base_cpu = results[baseline]
    for name, (wall, cpu) in sorted(results.items(), key=lambda item: item[1]):
        print(f"  {name:<28}{wall:>9.0f} µs{wall / base_wall:>8.2f}x{cpu:>9.0f} µs{cpu / base_cpu:>8.2f}x")
