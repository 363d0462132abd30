"""The Lottery Ticket Hypothesis (Frankle & Carbin, ICLR 2019) as a library; `docs/design.md` draws its layers."""
