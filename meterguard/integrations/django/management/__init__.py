"""Commands, where Django looks for them.

1. One command, ``manage.py meterguard``; what else there is to do is a sub-command of it.
2. What an application of any framework needs is in ``meterguard.cli``, and is not said twice.
"""
