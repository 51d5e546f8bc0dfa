//! docs/fleet.svg: opened volumes against what the limit allows, and the requests of each second.

use std::fmt::Write;

use super::scenes::Scene;
use super::table::number;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 704.0;
/// Top and bottom of the two panels.
const OPENED: (f64, f64) = (56.0, 276.0);
const REQUESTS: (f64, f64) = (348.0, 508.0);
/// Decades of the second panel: 1 to 10,000 requests in a second.
const DECADES: u32 = 4;

/// Colours that are legible on white and on black; the text follows the reader's scheme.
const STYLE: &str = "
    text { font: 12px sans-serif; fill: #333 }
    .title { font-size: 14px; font-weight: bold }
    .grid { stroke: #8888; stroke-width: 0.5 }
    path { fill: none; stroke-width: 2 }
    .limit { stroke: #888; stroke-dasharray: 5 3 }
    .opened, .granted { stroke: #2a86d1 }
    .after { stroke: #2fa36b }
    .refused { stroke: #d9652b }
    @media (prefers-color-scheme: dark) { text { fill: #ddd } }
";

/// The plot of one fleet before the same vault without and with Retry-After.
pub fn svg(without: &Scene, with: &Scene) -> String {
    let end = [without, with].map(|scene| scene.outcome.end().as_secs_f64());
    let plot = Plot { end: (end[0].max(end[1]) / 10.0).ceil() * 10.0, size: without.fleet.size() };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 556\" role=\"img\">\n\
         <title>Volumes opened, and requests to the vault, over time</title>\n\
         <style>{STYLE}</style>\n"
    );
    plot.draw(&mut text, without, with).expect("memory to write to");
    text.push_str("</svg>\n");
    text
}

struct Plot {
    /// Of the time axis, in seconds.
    end: f64,
    /// Volumes.
    size: usize,
}

impl Plot {
    fn draw(&self, text: &mut String, without: &Scene, with: &Scene) -> std::fmt::Result {
        label(text, LEFT, 20.0, "title", "Volumes opened")?;
        legend(
            text,
            40.0,
            &[
                ("limit", "what the limit allows"),
                ("opened", "429 alone"),
                ("after", "429 with Retry-After"),
            ],
        )?;
        for step in 0..=4 {
            let volumes = self.size * step / 4;
            grid(text, self.count(volumes), &number(volumes))?;
        }
        self.time(text, OPENED)?;
        path(text, "limit", &self.limit(without))?;
        path(text, "after", &self.opened(with))?;
        path(text, "opened", &self.opened(without))?;

        label(
            text,
            LEFT,
            312.0,
            "title",
            "Requests to the vault in each second (logarithmic), 429 alone",
        )?;
        legend(text, 332.0, &[("granted", "granted"), ("refused", "answered with 429")])?;
        for decade in 0..=DECADES {
            let requests = 10_u32.pow(decade);
            grid(text, log(requests), &number(requests as usize))?;
        }
        self.time(text, REQUESTS)?;
        let seconds = &without.outcome.seconds;
        path(text, "refused", &self.steps(seconds.iter().map(|(_, refused)| *refused)))?;
        path(text, "granted", &self.steps(seconds.iter().map(|(granted, _)| *granted)))?;
        label(text, RIGHT - 130.0, 544.0, "", "seconds after the boot")
    }

    fn at(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * seconds / self.end
    }

    fn count(&self, volumes: usize) -> f64 {
        let (top, bottom) = OPENED;
        bottom - (bottom - top) * volumes as f64 / self.size as f64
    }

    /// The time axis below a panel.
    fn time(&self, text: &mut String, (top, bottom): (f64, f64)) -> std::fmt::Result {
        let mut seconds = 0.0;
        while seconds <= self.end {
            let x = self.at(seconds);
            writeln!(text, r#"<path class="grid" d="M{x:.1} {top}V{bottom}"/>"#)?;
            label(text, x - 6.0, bottom + 16.0, "", &seconds.to_string())?;
            seconds += 10.0;
        }
        Ok(())
    }

    /// Every volume at once as soon as its two requests can be granted.
    fn limit(&self, scene: &Scene) -> String {
        let per_window = self.size as f64 / scene.at_the_rate().as_secs_f64() * 10.0;
        let (mut line, mut opened, mut seconds) = (String::new(), 0.0, 0.0);
        line += &format!("M{:.1} {:.1}", self.at(0.0), self.count(0));
        while opened < self.size as f64 {
            opened += per_window;
            let volumes = (opened as usize).min(self.size);
            line += &format!("H{:.1}V{:.1}", self.at(seconds), self.count(volumes));
            seconds += 10.0;
        }
        line + &format!("H{RIGHT}")
    }

    /// Every fiftieth volume and the last one.
    fn opened(&self, scene: &Scene) -> String {
        let mut line = format!("M{:.1} {:.1}", self.at(0.0), self.count(0));
        for (index, moment) in scene.outcome.opened.iter().enumerate() {
            if index % 50 == 49 || index + 1 == self.size {
                let x = self.at(moment.as_secs_f64());
                line += &format!("L{x:.1} {:.1}", self.count(index + 1));
            }
        }
        line
    }

    fn steps(&self, requests: impl Iterator<Item = u32>) -> String {
        let mut line = format!("M{LEFT} {}", REQUESTS.1);
        for (second, requests) in requests.enumerate() {
            line += &format!("V{:.1}H{:.1}", log(requests), self.at(second as f64 + 1.0));
        }
        line + &format!("V{}", REQUESTS.1)
    }
}

/// None at all is drawn on the axis, like one.
fn log(requests: u32) -> f64 {
    let (top, bottom) = REQUESTS;
    let decades = f64::from(requests.max(1)).log10();
    bottom - (bottom - top) * decades / f64::from(DECADES)
}

fn path(text: &mut String, class: &str, line: &str) -> std::fmt::Result {
    writeln!(text, r#"<path class="{class}" d="{line}"/>"#)
}

fn grid(text: &mut String, y: f64, value: &str) -> std::fmt::Result {
    path(text, "grid", &format!("M{LEFT} {y:.1}H{RIGHT}"))?;
    writeln!(
        text,
        r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#,
        LEFT - 6.0,
        y + 4.0
    )
}

fn label(text: &mut String, x: f64, y: f64, class: &str, words: &str) -> std::fmt::Result {
    writeln!(text, r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{words}</text>"#)
}

fn legend(text: &mut String, y: f64, entries: &[(&str, &str)]) -> std::fmt::Result {
    let mut x = LEFT;
    for (class, words) in entries {
        path(text, class, &format!("M{x:.1} {:.1}h24", y - 4.0))?;
        label(text, x + 30.0, y, "", words)?;
        x += 46.0 + 6.5 * words.len() as f64;
    }
    Ok(())
}
