"""What a whole run will take, measured on a few tiles of the cohort."""
