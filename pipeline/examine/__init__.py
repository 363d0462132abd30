"""What winning tickets look like (appendix F): numbers from masks and weights that training has left; nothing is trained here."""
