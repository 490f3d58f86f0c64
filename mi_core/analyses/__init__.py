"""One analysis per file: a public function and a frozen result of the same name."""
