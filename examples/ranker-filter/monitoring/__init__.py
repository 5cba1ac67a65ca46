"""Monitoring: do the kept signals pay more than the others did?"""
