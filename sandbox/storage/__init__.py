"""What stands in a guest's storage, as every vendor has it."""
