"""Cramer's V: how far two traits go together, corrected for bias, and its interval."""

import numpy as np


def corrected_v(phi2: float, shape: tuple[int, ...], patients: int) -> float:
    """Cramer's V corrected for bias (Bergsma 2013, J Korean Stat Soc 42:323).

    Args:
        phi2: Chi-squared divided by the number of patients.
        shape: Of the table.
        patients: Their number.
    """
    free = max(1, patients - 1)
    rows, columns = shape
    corrected = max(0.0, phi2 - (rows - 1) * (columns - 1) / free)
    fewer = min(rows - (rows - 1) ** 2 / free, columns - (columns - 1) ** 2 / free) - 1
    return min(1.0, float(np.sqrt(corrected / fewer))) if fewer > 0 else 0.0


def v_interval(phi2: float, shape: tuple[int, ...], patients: int) -> tuple[float, float]:
    """The ends of the 95 % interval of Cramer's V (Smithson 2003, Confidence Intervals, ch. 4).

    A table flatter than chance makes them is taken for one of chance: the upper end would shrink
    to 0 and claim what no few patients can show.

    Args:
        phi2: Chi-squared divided by the number of patients.
        shape: Of the table.
        patients: Their number.
    """
    from scipy.optimize import brentq
    from scipy.stats import ncx2

    free, scale = (shape[0] - 1) * (shape[1] - 1), patients * (min(shape) - 1)

    def end(chi2: float, share: float) -> float:
        def miss(shift: float) -> float:
            return float(ncx2.cdf(chi2, free, shift)) - share

        if miss(1e-9) <= 0:
            return 0.0
        top = 4 * (chi2 + free + 10)
        return float(brentq(miss, 1e-9, top))

    chi2 = phi2 * patients
    shifts = end(max(chi2, 1e-9), 0.975), end(max(chi2, free), 0.025)
    low, high = (min(1.0, (shift / scale) ** 0.5) for shift in shifts)
    return low, high
