//! The part of a source that is worth showing: the lines of some places, long ones cut.
//!
//! A machine-made policy may be one line of 10 MB; what is printed of it stays readable.

use std::ops::Range;

use tcpc_lang::source::{SourceFile, Span};

/// A line of more bytes is cut.
const LONGEST: usize = 400;
/// Bytes that are kept before and after a place on a line that is cut.
const AROUND: usize = 60;

/// Some neighbouring lines.
pub struct Excerpt {
    text: String,
    first_line: u32,
    lines: Vec<Line>,
}

/// What a line of the excerpt holds.
struct Line {
    /// Where the line begins in the source.
    start: usize,
    /// The bytes of the source that are kept.
    kept: Range<usize>,
    /// Where they begin in the excerpt.
    at: usize,
}

impl Excerpt {
    /// The lines from the first of the places to the last.
    pub fn new(source: &SourceFile, places: &[Span]) -> Excerpt {
        let text = source.all_text();
        // The file that the places are in.
        let file = source.file(source.file_at(places.first().map_or(0, |place| place.start))).span;
        let clip = |offset: u32| text.floor_char_boundary(offset.clamp(file.start, file.end) as usize);
        let start = places.iter().map(|place| clip(place.start)).min().unwrap_or(0);
        let end = places.iter().map(|place| clip(place.end)).max().unwrap_or(start).max(start);
        let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let last = text[end..].find('\n').map_or(text.len(), |at| end + at);
        let mut excerpt =
            Excerpt { text: String::new(), first_line: source.line(first as u32), lines: Vec::new() };
        let mut from = first;
        for line in text[first..last].split('\n') {
            let whole = from..from + line.len();
            let here = places.iter().map(|place| clip(place.start)..clip(place.end).max(clip(place.start)));
            let here: Vec<Range<usize>> =
                here.filter(|place| place.start <= whole.end && whole.start <= place.end).collect();
            excerpt.push(text, whole, &here);
            from += line.len() + 1;
        }
        excerpt
    }

    fn push(&mut self, text: &str, line: Range<usize>, places: &[Range<usize>]) {
        let mut kept = line.clone();
        if line.len() > LONGEST {
            let focus = places.first().map_or(line.start, |place| place.start.max(line.start));
            let end = places.first().map_or(focus, |place| place.end.min(focus + LONGEST));
            kept.start = text.floor_char_boundary(focus.saturating_sub(AROUND).max(line.start));
            kept.end = text.floor_char_boundary((end + AROUND).min(line.end)).max(kept.start);
        }
        if !self.lines.is_empty() {
            self.text.push('\n');
        }
        if kept.start > line.start {
            self.text.push('…');
        }
        let at = self.text.len();
        self.text.push_str(&text[kept.clone()]);
        if kept.end < line.end {
            self.text.push('…');
        }
        self.lines.push(Line { start: line.start, kept, at });
    }

    /// The lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of the first line.
    pub fn first_line(&self) -> usize {
        self.first_line as usize
    }

    /// The column, in characters from 1, that a place has in the excerpt.
    pub fn column(&self, place: Span) -> usize {
        let before = &self.text[..self.range(place).start];
        before[before.rfind('\n').map_or(0, |at| at + 1)..].chars().count() + 1
    }

    /// Where a place is in the excerpt; what was cut of it is left out.
    pub fn range(&self, place: Span) -> Range<usize> {
        let start = self.offset(place.start as usize);
        start..self.offset(place.end as usize).max(start)
    }

    fn offset(&self, offset: usize) -> usize {
        let index = self.lines.partition_point(|line| line.start <= offset).saturating_sub(1);
        match self.lines.get(index) {
            Some(line) => line.at + offset.clamp(line.kept.start, line.kept.end) - line.kept.start,
            None => 0,
        }
    }
}
