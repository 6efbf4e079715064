"""What is broken. Each fault starts, stops, says whether it can be had here, and how often others noticed it."""
