"""The laboratory: experiments that show how recurrent networks behave, the wrong ones among them."""
