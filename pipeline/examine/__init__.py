"""What winning tickets look like (appendix F), from the masks and weights that training has written; nothing is trained here."""
