//! As much of Markdown as the documents use: fenced blocks, and parts between markers.

/// A fenced block.
pub struct Block {
    /// What stands behind the opening fence.
    pub info: String,
    /// Its lines.
    pub text: String,
    /// Where in the document `text` is.
    pub at: std::ops::Range<usize>,
    /// The line of the opening fence, from 1.
    pub line: usize,
}

const FENCE: &str = "```";

/// The fenced blocks of a document.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    let mut at = 0;
    for (number, line) in document.split_inclusive('\n').enumerate() {
        let next = at + line.len();
        if let Some(info) = line.strip_prefix(FENCE) {
            open = match open {
                None => Some((info.trim().to_owned(), next, number + 1)),
                Some((info, start, line)) => {
                    let text = document[start..at].to_owned();
                    blocks.push(Block { info, text, at: start..at, line });
                    None
                }
            };
        }
        at = next;
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The document with this text between `<!-- NAME -->` and `<!-- end of NAME -->`.
pub fn with_part(document: &str, name: &str, text: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = document.find(&start).unwrap_or_else(|| panic!("there is no `{start}`")) + start.len();
    let to = from + document[from..].find(&end).unwrap_or_else(|| panic!("there is no `{end}`"));
    format!("{}\n{text}\n{}", &document[..from], &document[to..])
}

/// A table; `|` in cells is escaped.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = vec!["---".to_owned(); head.len()];
    let mut text = line(&head) + &line(&rule);
    for row in rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        text += &line(&row);
    }
    text
}
