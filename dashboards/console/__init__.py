"""The duty console: live, mobile first, zh-CN and English."""
