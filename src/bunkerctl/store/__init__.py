"""The cellar: all SQL, and the only module that touches sqlcipher3."""
