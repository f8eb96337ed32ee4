//! What may be amiss with a connection instead of an answer.

/// One way to fail, as the [table](crate::order) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    ResetBefore,
    ResetHead,
    ResetBody,
    HalfClose,
    Unread,
    Garbage,
}

const FAULTS: [(&str, Fault); 7] = [
    ("none", Fault::None),
    ("reset_before", Fault::ResetBefore),
    ("reset_head", Fault::ResetHead),
    ("reset_body", Fault::ResetBody),
    ("half_close", Fault::HalfClose),
    ("unread", Fault::Unread),
    ("garbage", Fault::Garbage),
];

impl Fault {
    pub(super) fn parse(name: &str) -> Result<Fault, String> {
        let fault = FAULTS.iter().find(|(known, _)| *known == name).map(|&(_, fault)| fault);
        fault.ok_or_else(|| {
            format!(
                "`fault={name}`: there is no such fault; there are {}",
                FAULTS.map(|(name, _)| name).join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_and_is_in_the_table() {
        for (name, fault) in FAULTS {
            assert_eq!(Fault::parse(name), Ok(fault));
            assert!(crate::order::TABLE.contains(&format!("| `{name}`")), "{name}");
        }
        assert!(Fault::parse("crash").is_err_and(|reason| reason.contains("there are none, reset_before,")));
    }
}
