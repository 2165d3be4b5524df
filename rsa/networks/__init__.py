"""Networks: loaded, their layers chosen and listened to, from images to features."""
