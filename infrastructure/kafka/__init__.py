"""The log on Kafka: messages and topics, the relay, and the way back from a topic to a log."""
