"""What is wrong with a photo or a data set; knows pixels and numbers, and moves nothing."""
