"""What is learnt: one file per task, and a registry of them."""
