//! A setting of a baseline, chosen by recall on the days before the test days. **Nothing from the cut-off on is looked
//! at.**

use dayvec_core::Sequences;
use dayvec_report::{Choice, Choices, Trial};

use super::input::{BaselineInput, Built};
use crate::outcomes::RECALL_K;
use crate::retrieve::micro_recall;
use crate::{EvaluationError, TimeSplit, Truth};

/// Most users that a trial is measured on, evenly spread: a percentage point is then some two standard errors, whatever
/// the size of the log, and a trial takes a second.
const MOST_USERS: usize = 2000;

/// The days before the test days, and the truth about them.
pub(super) struct Earlier {
    split: TimeSplit,
    history: Sequences,
    truth: Truth,
}

impl Earlier {
    /// As many days before the cut-off as are tested on; `None` where no user has positives both on them and before.
    pub(super) fn of(input: &BaselineInput<'_>) -> Result<Option<Self>, EvaluationError> {
        let split = input.split.earlier();
        let history = split.history(input.history);
        match Truth::build(&history, &split.future(input.history)) {
            Ok(truth) => Ok(Some(Self { split, history, truth: truth.thinned(MOST_USERS) })),
            Err(EvaluationError::NoUsers) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Values to choose from, and what is known of them before.
pub(super) struct Setting<'a> {
    /// Name of the baseline in the table.
    pub(super) scorer: &'a str,
    /// What is chosen, with its unit.
    pub(super) setting: &'a str,
    /// The values.
    pub(super) values: &'a [f64],
    /// The one of them that is taken where nothing can be measured, and where none is better.
    pub(super) usual: f64,
}

/// Chooses settings, and remembers what it chose.
pub(super) struct Chooser<'a> {
    input: BaselineInput<'a>,
    earlier: Option<&'a Earlier>,
    stop: &'a dyn Fn() -> bool,
    made: Vec<Choice>,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(
        input: &BaselineInput<'a>,
        earlier: Option<&'a Earlier>,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let input = match earlier {
            Some(earlier) => BaselineInput { history: &earlier.history, split: earlier.split, ..*input },
            None => *input,
        };
        Self { input, earlier, stop, made: Vec::new() }
    }

    /// Fails once the evaluation is to stop.
    pub(super) fn go_on(&self) -> Result<(), EvaluationError> {
        if (self.stop)() { Err(EvaluationError::Stopped) } else { Ok(()) }
    }

    /// The value with the highest recall@10 (micro, seen items allowed) on the earlier days. `prepare` makes what all
    /// values share from what was known before those days, and `build` a scorer from that.
    pub(super) fn choose<P>(
        &mut self,
        setting: &Setting<'_>,
        prepare: impl FnOnce(&BaselineInput<'a>) -> Result<P, EvaluationError>,
        build: impl Fn(&P, f64) -> Built,
    ) -> Result<f64, EvaluationError> {
        let mut tried = Vec::new();
        if let Some(earlier) = self.earlier {
            let prepared = prepare(&self.input)?;
            for &value in setting.values {
                self.go_on()?;
                let recall = micro_recall(&*build(&prepared, value)?, &earlier.truth)?;
                tried.push(Trial { value, recall });
            }
        }
        let usual = tried.iter().find(|trial| trial.value == setting.usual).copied();
        let better = |best: Option<Trial>, trial: &Trial| match best {
            Some(best) if trial.recall <= best.recall => Some(best),
            _ => Some(*trial),
        };
        let value = tried.iter().fold(usual, better).map_or(setting.usual, |best| best.value);
        let (scorer, setting) = (setting.scorer.to_owned(), setting.setting.to_owned());
        self.made.push(Choice { scorer, setting, value, tried });
        Ok(value)
    }

    /// All that was chosen.
    pub(super) fn choices(self) -> Choices {
        Choices {
            from: self.earlier.map(|earlier| earlier.split.cut_off),
            n_days: self.input.split.n_days,
            n_users: self.earlier.map_or(0, |earlier| earlier.truth.users.len()),
            k: RECALL_K,
            made: self.made,
        }
    }
}
