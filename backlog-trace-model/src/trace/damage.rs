//! What a reader could not read, in sentences.

use super::format::{Kind, VERSION, Version};

/// Bytes that are counted without being read as frames: a pipe may never end.
pub(super) const MOST_COUNTED: u64 = 1 << 20;

/// What is missing from a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Version of the format that the file was written in.
    pub format: Version,
    /// There is no last frame: the recorder was killed, the disk was full, or
    /// it is still being written.
    pub unfinished: bool,
    /// Bytes of the last frame, where the file ends within it.
    pub cut_bytes: u64,
    /// Bytes from the first damaged frame header on, which alone could tell where
    /// the next frame begins; counted up to [`MOST_COUNTED`].
    pub unread_bytes: u64,
    /// Frames lost to damage: their payload is damaged, or they are missing from the numbering.
    pub lost_frames: u64,
    /// Of those, how many certainly held details.
    pub lost_detail_frames: u64,
    /// Of those, how many certainly held a snapshot or a part of one.
    pub lost_snapshot_frames: u64,
    /// Of those, how many certainly held a listener.
    pub lost_listener_frames: u64,
    /// Details that were written and not read; known only where the last
    /// frame is there.
    pub lost_details: Option<u64>,
    /// Snapshots that were written and not read; known only where the last
    /// frame is there.
    pub lost_snapshots: Option<u64>,
    /// Snapshots left out because a part of them is lost.
    pub incomplete_snapshots: u64,
    /// Frames left out because they were met a second time.
    pub repeated_frames: u64,
    /// Frames left out because they belong to another recording.
    pub foreign_frames: u64,
    /// Counts left out of listeners that no frame introduces, beyond
    /// [`MOST_UNNAMED`](super::limits::MOST_UNNAMED) of those.
    pub unnamed_counts: u64,
    /// Frames left out because only a newer version knows what they are: no damage.
    pub newer_frames: u64,
    /// Details left out because only a newer version knows what they tell: no damage.
    pub newer_details: u64,
    /// How many bytes follow the last frame, or where another recording begins:
    /// counted up to [`MOST_COUNTED`], and not read.
    pub trailing_bytes: u64,
    /// Why the operating system stopped giving bytes.
    pub unreadable: Option<String>,
}

impl Damage {
    /// None so far, in a file of `format`.
    pub(super) const fn none(format: Version) -> Self {
        Self {
            format,
            unfinished: false,
            cut_bytes: 0,
            unread_bytes: 0,
            lost_frames: 0,
            lost_detail_frames: 0,
            lost_snapshot_frames: 0,
            lost_listener_frames: 0,
            lost_details: None,
            lost_snapshots: None,
            incomplete_snapshots: 0,
            repeated_frames: 0,
            foreign_frames: 0,
            unnamed_counts: 0,
            newer_frames: 0,
            newer_details: 0,
            trailing_bytes: 0,
            unreadable: None,
        }
    }

    /// Counts a lost frame, of a kind if that is certain.
    pub(super) fn lose(&mut self, kind: Option<Kind>) {
        self.lost_frames = self.lost_frames.saturating_add(1);
        match kind {
            Some(Kind::Details) => self.lost_detail_frames += 1,
            Some(Kind::Snapshot) => self.lost_snapshot_frames += 1,
            Some(Kind::Listener) => self.lost_listener_frames += 1,
            Some(Kind::Session | Kind::End | Kind::Sources) | None => (),
        }
    }

    /// Whether everything that was written was read.
    pub fn is_none(&self) -> bool {
        let (newer_frames, newer_details) = (self.newer_frames, self.newer_details);
        let read = Self { newer_frames, newer_details, ..Self::none(self.format) };
        let counted = |lost| if lost == Some(0) { None } else { lost };
        Self {
            lost_details: counted(self.lost_details),
            lost_snapshots: counted(self.lost_snapshots),
            ..self.clone()
        } == read
    }

    /// One sentence without a full stop for each thing that is missing, the
    /// weightiest first. They are about "the recording", which goes before
    /// them: its end, its frames.
    pub fn sentences(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut tell = |holds: bool, sentence: &dyn Fn() -> String| {
            if holds {
                told.push(sentence());
            }
        };
        tell(self.unreadable.is_some(), &|| {
            format!("its end could not be read: {}", self.unreadable.as_deref().unwrap_or_default())
        });
        tell(self.unfinished, &|| {
            "its last frame is missing (the recorder was killed, or the disk was full)".to_owned()
        });
        tell(self.cut_bytes > 0, &|| {
            format!("it ends within a frame, of which {} left out", are(self.cut_bytes, "byte"))
        });
        tell(self.unread_bytes > 0, &|| {
            format!(
                "{} not read: the header of a frame is damaged, which alone says where the next one begins",
                counted(self.unread_bytes)
            )
        });
        tell(self.lost_frames > 0, &|| self.lost_text());
        let lost = |lost: Option<u64>| lost.filter(|lost| *lost > 0);
        tell(lost(self.lost_details).is_some(), &|| {
            format!("{} lost that had been written", are(self.lost_details.unwrap_or(0), "detail"))
        });
        tell(lost(self.lost_snapshots).is_some(), &|| {
            format!(
                "{} lost that had been written; the counts of the others are whole",
                are(self.lost_snapshots.unwrap_or(0), "snapshot")
            )
        });
        tell(self.incomplete_snapshots > 0, &|| {
            format!("{} left out, for want of a part", are(self.incomplete_snapshots, "snapshot"))
        });
        tell(self.repeated_frames > 0, &|| {
            format!("{} left out that occurred before", are(self.repeated_frames, "frame"))
        });
        tell(self.foreign_frames > 0, &|| {
            format!(
                "{} left out that belong{} to another recording",
                are(self.foreign_frames, "frame"),
                if self.foreign_frames == 1 { "s" } else { "" }
            )
        });
        tell(self.unnamed_counts > 0, &|| {
            format!("{} left out of listeners that no frame introduces", are(self.unnamed_counts, "count"))
        });
        let newer = |count, noun| {
            let left_out = are(count, noun);
            let format = self.format;
            format!(
                "{left_out} left out that only a newer version knows: its format is {format}, and this \
                 backlog-trace reads {VERSION}"
            )
        };
        tell(self.newer_frames > 0, &|| newer(self.newer_frames, "frame"));
        tell(self.newer_details > 0, &|| newer(self.newer_details, "detail"));
        tell(self.trailing_bytes > 0, &|| {
            let what = counted(self.trailing_bytes);
            format!("{what} not read behind its end; replay recordings one by one, not joined into one file")
        });
        told
    }

    fn lost_text(&self) -> String {
        let known = [
            (self.lost_detail_frames, "of details"),
            (self.lost_snapshot_frames, "of snapshots"),
            (self.lost_listener_frames, "of listeners"),
        ];
        let certain: u64 = known.iter().map(|(count, _)| count).sum();
        let mut kinds: Vec<String> = known
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}"))
            .collect();
        if self.lost_frames > certain {
            kinds.push(format!("{} of another or unknown kind", self.lost_frames - certain));
        }
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        format!("{} lost{kinds}", are(self.lost_frames, "frame"))
    }
}

/// `12 bytes are`, as far as they were counted.
fn counted(bytes: u64) -> String {
    if bytes < MOST_COUNTED { are(bytes, "byte") } else { format!("{bytes} bytes or more are") }
}

/// `1 frame is`, `2 frames are`.
fn are(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun} is") } else { format!("{count} {noun}s are") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_has_nothing_to_tell() {
        let mut damage = Damage::none(VERSION);
        assert!(damage.is_none() && damage.sentences().is_empty());
        damage.lost_details = Some(0);
        damage.lost_snapshots = Some(0);
        assert!(damage.is_none() && damage.sentences().is_empty());
    }

    #[test]
    fn each_loss_is_damage_and_has_its_sentence() {
        type Change = fn(&mut Damage);
        let changes: [(Change, &str); 17] = [
            (
                |d| d.unreadable = Some("Input/output error".to_owned()),
                "its end could not be read: Input/output error",
            ),
            (
                |d| d.unfinished = true,
                "its last frame is missing (the recorder was killed, or the disk was full)",
            ),
            (|d| d.cut_bytes = 12, "it ends within a frame, of which 12 bytes are left out"),
            (
                |d| d.unread_bytes = 13,
                "13 bytes are not read: the header of a frame is damaged, which alone says where the next one begins",
            ),
            (|d| d.lost_frames = 1, "1 frame is lost (1 of another or unknown kind)"),
            (|d| d.lost_details = Some(14), "14 details are lost that had been written"),
            (|d| d.lost_details = Some(1), "1 detail is lost that had been written"),
            (
                |d| d.lost_snapshots = Some(15),
                "15 snapshots are lost that had been written; the counts of the others are whole",
            ),
            (|d| d.incomplete_snapshots = 16, "16 snapshots are left out, for want of a part"),
            (|d| d.incomplete_snapshots = 1, "1 snapshot is left out, for want of a part"),
            (|d| d.repeated_frames = 17, "17 frames are left out that occurred before"),
            (|d| d.repeated_frames = 1, "1 frame is left out that occurred before"),
            (|d| d.foreign_frames = 1, "1 frame is left out that belongs to another recording"),
            (|d| d.foreign_frames = 18, "18 frames are left out that belong to another recording"),
            (|d| d.unnamed_counts = 19, "19 counts are left out of listeners that no frame introduces"),
            (
                |d| d.trailing_bytes = 1,
                "1 byte is not read behind its end; replay recordings one by one, not joined into one file",
            ),
            (
                |d| d.trailing_bytes = MOST_COUNTED,
                "1048576 bytes or more are not read behind its end; replay recordings one by one, not joined into one file",
            ),
        ];
        for (change, words) in changes {
            let mut damage = Damage::none(VERSION);
            change(&mut damage);
            assert!(!damage.is_none(), "{words}");
            let sentences = damage.sentences();
            assert_eq!(sentences, [words]);
        }
    }

    #[test]
    fn lost_frames_are_told_by_kind_where_that_is_certain() {
        let mut damage = Damage::none(VERSION);
        for kind in [Some(Kind::Details), Some(Kind::Details), Some(Kind::Snapshot), Some(Kind::End), None] {
            damage.lose(kind);
        }
        let [sentence] = <[String; 1]>::try_from(damage.sentences()).unwrap();
        assert_eq!(
            sentence,
            "5 frames are lost (2 of details, 1 of snapshots, 2 of another or unknown kind)"
        );
    }

    #[test]
    fn frames_of_a_newer_minor_version_are_told_but_are_no_damage() {
        let mut damage = Damage::none(Version { major: 1, minor: 7 });
        (damage.newer_frames, damage.newer_details) = (2, 5);
        assert!(damage.is_none());
        let [frames, details] = damage.sentences().try_into().unwrap();
        assert!(frames.starts_with("2 frames are left out") && frames.contains("format is 1.7"), "{frames}");
        assert!(details.starts_with("5 details are left out"), "{details}");
    }
}
