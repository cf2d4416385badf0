use retally_stats::{ComparedGroup, Comparison, Contrast, Figure, Measure};
use std::str::FromStr;

/// What a comparison is not to find, else the command ends with 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// There is evidence that a group is worse than the baseline: in this, or in anything.
    Worse(Option<Measure>),
    /// A figure, by its name, is below a number or above; rates are percent.
    Beyond {
        figure: String,
        is_below: bool,
        limit: f64,
    },
    /// Another condition that is asked for cannot be told, or there is nothing to ask it of.
    Unknown,
}

/// What a comparison says of a condition.
pub(crate) enum Answer {
    Holds,
    HoldsNot,
    /// It cannot be told: the figure is not known, or there is nothing to compare with.
    Unknown,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "worse" => return Ok(Self::Worse(None)),
            "unknown" => return Ok(Self::Unknown),
            _ => {}
        }
        if let Some(name) = text.strip_suffix(":worse") {
            let found = Measure::ALL.into_iter().find(|it| it.name() == name);
            let names = Measure::ALL.map(Measure::name).join(", ");
            let found = found.ok_or_else(|| format!("want one of {names} before `:worse`"))?;
            return Ok(Self::Worse(Some(found)));
        }
        let at = text.find(['<', '>']);
        let at = at.ok_or("want worse, MEASURE:worse, FIGURE<NUMBER, FIGURE>NUMBER or unknown")?;
        let (figure, limit) = (text[..at].trim(), text[at + 1..].trim());
        if !Figure::NAMES.contains(&figure) {
            let names = Figure::NAMES.join(", ");
            return Err(format!("want one of {names}"));
        }
        let limit = limit.parse().ok().filter(|limit: &f64| limit.is_finite());
        Ok(Self::Beyond {
            figure: figure.to_owned(),
            is_below: text[at..].starts_with('<'),
            limit: limit.ok_or("want a number behind `<` or `>`")?,
        })
    }
}

impl Condition {
    /// Returns what the comparison says of a group of it.
    pub(crate) fn ask(&self, comparison: &Comparison, group: &ComparedGroup) -> Answer {
        let holds = match self {
            Self::Worse(measure) => {
                let is_meant = |it: &&Contrast| measure.is_none_or(|wanted| wanted == it.measure);
                let mut meant = group.contrasts.iter().filter(is_meant).peekable();
                if meant.peek().is_none() {
                    return Answer::Unknown;
                }
                meant.any(|it| it.is_worse() && it.is_evident(comparison.bootstrap))
            }
            Self::Beyond {
                figure,
                is_below,
                limit,
            } => {
                let found = group.figures.iter().find(|it| it.name == figure);
                let Some((found, value)) = found.and_then(|it| Some((it, it.value?))) else {
                    return Answer::Unknown;
                };
                let value = if found.is_rate { value * 100.0 } else { value };
                if *is_below {
                    value < *limit
                } else {
                    value > *limit
                }
            }
            // Asked of what the others answer, not of a group.
            Self::Unknown => false,
        };
        if holds {
            Answer::Holds
        } else {
            Answer::HoldsNot
        }
    }
}

/// As it is written.
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worse(None) => f.write_str("worse"),
            Self::Worse(Some(measure)) => write!(f, "{}:worse", measure.name()),
            Self::Beyond {
                figure,
                is_below,
                limit,
            } => write!(f, "{figure}{}{limit}", if *is_below { '<' } else { '>' }),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
