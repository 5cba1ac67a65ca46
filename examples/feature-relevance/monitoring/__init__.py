"""Monitoring: do the features that scored high matter afterwards?"""
