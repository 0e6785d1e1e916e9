"""The texts that merchants write themselves, in Liquid: what they may say, how they are checked, and how they are said.

Pure. Whoever wrote a text is trusted with the words and with nothing else: it reads plain values, in bounded time and
memory, and what it cannot say is said in our own phrases.
"""
