"""Where one unit of a model fires most, among texts of any number: read in one pass, kept in bounded memory."""
