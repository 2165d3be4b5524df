"""Networks: loaded, their layers chosen and listened to, batch normalisation settled, from images to features."""
