"""Jobs side by side, as the workflow runs them."""

import threading

from histotile.checks.forecast.bench import Cores


def test_jobs_side_by_side_have_no_more_threads_than_cores() -> None:
    cores, at_once, most = Cores(2), list[int](), list[int]()
    lock, gate = threading.Lock(), threading.Event()

    def job(threads: int) -> None:
        with cores.taken(threads):
            with lock:
                at_once.append(threads)
                most.append(sum(at_once))
            gate.wait(0.05)
            with lock:
                at_once.remove(threads)

    jobs = [threading.Thread(target=job, args=(threads,)) for threads in (2, 1, 1, 2, 1)]
    for one in jobs:
        one.start()
    for one in jobs:
        one.join(5)
    assert len(most) == 5 and max(most) == 2
