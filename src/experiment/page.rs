//! A report as a page: for each metric a drawing of the arms' spread and of the difference. No scripts, no fonts, no
//! other files.

use std::fmt::Write;

use super::report::{Metric, Report, show, text};

/// Width of a drawing and of the names beside it.
const WIDTH: f64 = 720.0;
const MARGIN: f64 = 140.0;
/// Height of an arm's line.
const LINE: f64 = 28.0;

/// Reports as one page of HTML.
pub fn page(reports: &[Report]) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Experiments</title>\n\
         <style>body { font: 15px sans-serif; margin: 2em; color: #222 } svg { font: 12px sans-serif }\n\
         pre { background: #f4f4f4; padding: 1em; overflow-x: auto }</style>\n",
    );
    for report in reports {
        let (name, key) = (escape(&report.name), escape(&report.key));
        // Writing to a string does not fail.
        let _ = write!(out, "<h1>Experiment {name}</h1>\n<p>Arms by <code>{key}</code>.</p>\n");
        for metric in &report.metrics {
            let _ = write!(out, "<h2>{}</h2>\n{}\n", escape(&metric.name), drawing(report, metric));
        }
        let _ = write!(out, "<h2>Numbers</h2>\n<pre>{}</pre>\n", escape(&text(report)));
    }
    out.push_str("</html>\n");
    out
}

/// One line for each arm: from the median to the 99th percentile, the 90th and the mean marked.
fn drawing(report: &Report, metric: &Metric) -> String {
    let values = metric.rows.iter().flat_map(|row| row.quantiles.into_iter().chain([row.mean])).flatten();
    let largest = values.fold(0.0, f64::max);
    let height = LINE * (metric.rows.len() as f64 + 1.0);
    let at =
        |value: f64| MARGIN + (WIDTH - MARGIN - 60.0) * value / if largest > 0.0 { largest } else { 1.0 };
    let mut out = format!(
        "<svg role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <line x1=\"{MARGIN}\" y1=\"0\" x2=\"{MARGIN}\" y2=\"{}\" stroke=\"#999\"/>\n",
        height - LINE
    );
    for (index, ((name, ..), row)) in report.arms.iter().zip(&metric.rows).enumerate() {
        let y = LINE * (index as f64 + 0.5);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            MARGIN - 8.0,
            y + 4.0,
            escape(name)
        );
        if let [Some(middle), Some(most), Some(all)] = row.quantiles {
            let _ = writeln!(
                out,
                "<line x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\" stroke=\"#48a\" stroke-width=\"2\"/>\n\
                 <line x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\" stroke=\"#48a\" stroke-width=\"8\"/>",
                at(middle),
                at(all),
                at(middle),
                at(most)
            );
        }
        if let Some(mean) = row.mean {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" fill=\"#c40\"><title>mean {}</title></circle>",
                at(mean),
                escape(&show(metric.unit, mean))
            );
        }
    }
    let _ = write!(
        out,
        "<text x=\"{MARGIN}\" y=\"{y}\">0</text>\n<text x=\"{:.1}\" y=\"{y}\" text-anchor=\"end\">{}</text>\n\
         <text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\" fill=\"#666\">p50 to p90 to p99, mean as a dot</text>\n</svg>",
        at(largest),
        escape(&show(metric.unit, largest)),
        y = height - 8.0
    );
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::example;
    use super::*;

    #[test]
    fn a_page_has_a_drawing_of_each_metric_and_the_numbers() {
        let page = page(&[example(100, 50_000)]);
        assert_eq!(page.matches("<svg").count(), 1);
        assert_eq!(page.matches("<circle").count(), 2);
        assert!(page.contains("forty") && page.contains("+50ms"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let page = page(&[example(0, 0)]);
        assert_eq!(page.matches("<circle").count(), 0);
        assert!(page.contains("too little to compare") && !page.contains("NaN"));
    }
}
