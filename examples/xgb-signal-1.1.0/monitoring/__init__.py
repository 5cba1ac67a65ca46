"""Monitoring: is the signal still worth what it was in training?"""
