"""Which strategy of transfer learning a cohort calls for, and whether that was right."""
