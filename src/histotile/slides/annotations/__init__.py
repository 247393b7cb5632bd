"""Outlines drawn by people, from the files of many programs, in the frame of the slide."""
