"""Monitoring: are the signals worth what they were in training?"""
