//! The recording: format, writer, reader, replay.
