"""What the learners share: networks of many groups as one program, replay, random streams, runs."""
