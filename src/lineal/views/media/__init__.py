"""What pages, terminals and figures are made with, whatever they show."""
