"""The order of the work, written here and nowhere else: every verb is one flow over stages and steps of the rooms."""
