"""barmill"""
