"""Tests; made-up lanes for those of the stages after training are in `synthetic`."""
