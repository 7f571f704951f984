"""The ground floor: what there is, the law, the record, the papers."""
