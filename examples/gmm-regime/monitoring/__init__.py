"""Monitoring: do the regimes still agree with the recessions that were dated since?"""
