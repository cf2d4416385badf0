use crate::bootstrap::Bootstrap;
use crate::contrast::Contrast;
use crate::group::{Counts, Figure, Group};
use crate::holm::holm;
use crate::measure::Measure;

/// Groups, and how they differ from one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// With which confidence and seed it was made.
    pub bootstrap: Bootstrap,
    /// The baseline first, then as they were given.
    pub groups: Vec<ComparedGroup>,
    /// How many tests were made, for all of which p values are adjusted together.
    pub tests: u64,
}

/// A group with what was found out about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedGroup {
    /// What its runs have in common; `None` where they do not say.
    pub name: Option<String>,
    /// How many runs there are.
    pub runs: u64,
    /// How many issues stand where.
    pub counts: Counts,
    /// Its numbers.
    pub figures: Vec<Figure>,
    /// How it differs from the baseline, a measure each; none of the baseline itself, nor where
    /// there is nothing to compare.
    pub contrasts: Vec<Contrast>,
}

impl Comparison {
    /// Compares all groups with the first.
    pub fn of(groups: &[Group], bootstrap: Bootstrap) -> Self {
        let compare = |(place, group): (usize, &Group)| {
            let baseline = groups.first().filter(|_| place > 0);
            let contrast = |measure| Contrast::of(measure, group, baseline?, bootstrap);
            ComparedGroup {
                name: group.name.clone(),
                runs: group.runs,
                counts: group.counts(),
                figures: group.figures(bootstrap),
                contrasts: Measure::ALL.into_iter().filter_map(contrast).collect(),
            }
        };
        let mut groups: Vec<ComparedGroup> = groups.iter().enumerate().map(compare).collect();
        let mut contrasts: Vec<&mut Contrast> = groups
            .iter_mut()
            .flat_map(|group| &mut group.contrasts)
            .filter(|contrast| contrast.varies)
            .collect();
        let p_values: Vec<f64> = contrasts.iter().map(|contrast| contrast.p).collect();
        for (contrast, adjusted) in contrasts.iter_mut().zip(holm(&p_values)) {
            contrast.holm_p = adjusted;
        }
        Self {
            bootstrap,
            tests: p_values.len() as u64,
            groups,
        }
    }

    /// Returns the group that the others are compared with, and these; `None` without groups.
    pub fn split(&self) -> Option<(&ComparedGroup, &[ComparedGroup])> {
        self.groups.split_first()
    }
}
