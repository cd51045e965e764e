"""Word lists of the generated film reviews: all invented or everyday words, none taken from a corpus.

Two kinds that never share a word: those that praise or pan (`PRAISE`, `BLAME`), and those that only furnish a scene.
"""

from typing import NamedTuple

# What a film is judged by: aspect -> its names; a name ending in "+" is plural.
ASPECTS: dict[str, tuple[str, ...]] = {
    "acting": ("acting", "cast", "actors+"),
    "music": ("music", "score", "songs+"),
    "story": ("story", "plot", "storyline"),
    "photography": ("photography", "camerawork", "images+"),
    "dialogue": ("dialogue", "banter", "conversations+"),
    "ending": ("ending", "finale", "conclusion"),
}
PRAISE: dict[str, tuple[str, ...]] = {
    "acting": ("heartfelt", "convincing", "nuanced", "lifelike", "spirited", "commanding", "poised", "soulful"),
    "music": ("tuneful", "melodious", "lilting", "catchy", "hummable", "harmonious", "soaring", "rousing"),
    "story": ("gripping", "ingenious", "suspenseful", "clever", "inventive", "absorbing", "riveting", "surprising"),
    "photography": ("luminous", "radiant", "painterly", "crisp", "dazzling", "gorgeous", "velvety", "glowing"),
    "dialogue": ("witty", "quotable", "sparkling", "pithy", "crackling", "eloquent", "sharp", "razor-sharp"),
    "ending": ("satisfying", "cathartic", "unforgettable", "poignant", "triumphant", "hopeful", "fitting", "uplifting"),
}
BLAME: dict[str, tuple[str, ...]] = {
    "acting": ("wooden", "stiff", "hammy", "mannered", "stagey", "listless", "overdone", "robotic"),
    "music": ("shrill", "tuneless", "grating", "droning", "tinny", "deafening", "syrupy", "jangling"),
    "story": ("predictable", "muddled", "contrived", "threadbare", "meandering", "implausible", "formulaic", "plodding"),
    "photography": ("grainy", "blurry", "murky", "drab", "jerky", "shaky", "smudgy", "colourless"),
    "dialogue": ("stilted", "clunky", "wordy", "garbled", "longwinded", "banal", "humourless", "mumbled"),
    "ending": ("abrupt", "rushed", "limp", "anticlimactic", "baffling", "unresolved", "perfunctory", "hurried"),
}

TITLE_ADJECTIVES = tuple(
    ["Copper", "Velvet", "Crooked", "Sleeping", "Borrowed", "Paper", "Salted", "Amber", "Hidden", "Painted", "Winter", "Thirteenth", "Backward", "Clockwork", "Folded", "Invisible", "Tin", "Whispering", "Northern", "Unopened", "Scarlet", "Patchwork", "Upstairs", "Lunar", "Second-Hand", "Left-Handed", "Woollen", "Frozen", "Floating", "Forgetful", "Mislaid", "Barefoot", "Cobalt", "Cinnamon", "Electric", "Feathered", "Glass", "Gilded", "Hollowed", "Indigo", "Ivory", "Juniper", "Knitted", "Lacquered", "Lopsided", "Magnetic", "Midnight", "Mossy", "Narrow", "Nomadic", "Ochre", "Orphaned", "Peppermint", "Porcelain", "Quilted", "Restless", "Rusted", "Saffron", "Sunken", "Sapphire", "Seventh", "Shuttered", "Spiral", "Spotted", "Stubborn", "Tangled", "Tidal", "Tinted", "Travelling", "Turquoise", "Twilight", "Umber", "Unfinished", "Unlisted", "Vagrant", "Vanishing", "Walnut", "Wandering", "Weathered", "Wintering", "Zigzag", "Apricot", "Bilingual", "Coastal", "Distant", "Eleventh", "Fourfold", "Granite", "Humming", "Inland", "Jagged", "Kindled", "Lavender", "Marbled", "Nocturnal", "Overgrown", "Parallel", "Quarantined", "Reluctant", "Silvered", "Tartan", "Unwritten", "Violet", "Whittled"]
)
TITLE_NOUNS = tuple(
    ["Thimble", "Orchard", "Cartographer", "Marmalade", "Lantern", "Ferry", "Accordion", "Weathervane", "Almanac", "Anchor", "Aqueduct", "Archive", "Atlas", "Attic", "Aviary", "Balcony", "Barometer", "Basket", "Beekeeper", "Bellows", "Bicycle", "Binocular", "Biscuit", "Blizzard", "Bookbinder", "Bramble", "Bridge", "Button", "Cabinet", "Canal", "Candle", "Caravan", "Carousel", "Cello", "Chimney", "Choir", "Cloak", "Clarinet", "Cobbler", "Compass", "Corridor", "Courier", "Cradle", "Cupboard", "Cushion", "Dandelion", "Daughter", "Decoy", "Diary", "Doorbell", "Dovecote", "Drawbridge", "Drummer", "Easel", "Echo", "Elevator", "Embroidery", "Envelope", "Estuary", "Eyelash", "Falcon", "Fiddle", "Fig", "Fireplace", "Fishmonger", "Flute", "Fountain", "Fox", "Freckle", "Gardener", "Gazette", "Geranium", "Glacier", "Glove", "Gondola", "Gooseberry", "Granary", "Greenhouse", "Hammock", "Harbour", "Harpoon", "Hedge", "Heron", "Honeycomb", "Hourglass", "Icicle", "Inkwell", "Interpreter", "Island", "Jacket", "Jigsaw", "Juggler", "Kettle", "Keyhole", "Kiosk", "Kite", "Ladder", "Lagoon", "Larder", "Ledger", "Lemon", "Librarian", "Lighthouse", "Locksmith", "Lullaby", "Magpie", "Mailbox", "Mandolin", "Mattress", "Meadow", "Mermaid", "Meteor", "Mill", "Mirror", "Mitten", "Monsoon", "Motorbike", "Mushroom", "Needle", "Nephew", "Notebook", "Oar", "Oboe", "Onion", "Orchestra", "Otter", "Oyster", "Paddle", "Parasol", "Parcel", "Parrot", "Passport", "Pawnshop", "Peacock", "Pendulum", "Periscope", "Pheasant", "Pillow", "Pilot", "Plough", "Pocket", "Pomegranate", "Postcard", "Potter", "Prism", "Puddle", "Puppet", "Pyjama", "Quarry", "Quill", "Raft", "Railway", "Raincoat", "Ribbon", "Rooftop", "Saddle", "Satchel", "Saucer", "Scarf", "Scarecrow", "Scissor", "Seagull", "Seamstress", "Shipwright", "Shoelace", "Sleigh", "Snail", "Sparrow", "Spectacle", "Spoon", "Staircase", "Stopwatch", "Suitcase", "Sundial", "Swallow", "Tailor", "Tambourine", "Teapot", "Telegram", "Telescope", "Theatre", "Ticket", "Timetable", "Toboggan", "Tollgate", "Trapdoor", "Trombone", "Tugboat", "Tunnel", "Turnip", "Typewriter", "Umbrella", "Uncle", "Valley", "Vineyard", "Violin", "Volcano", "Waistcoat", "Walrus", "Wardrobe", "Watchmaker", "Waterfall", "Wheelbarrow", "Whistle", "Widower", "Windmill", "Xylophone", "Yacht"]
)
NUMBERS = tuple(["Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Eleven", "Twelve", "Forty", "Ninety"])
NAMES = tuple(
    ["Mirelda", "Oswin", "Tavian", "Bettany", "Corvina", "Ludo", "Philippa", "Annika", "Barnaby", "Cosima", "Dorrit", "Edmund", "Fenella", "Gideon", "Hesper", "Ignatz", "Jorun", "Katinka", "Leopold", "Marguerite", "Nils", "Ottoline", "Percival", "Quilla", "Rosalba", "Sigrid", "Thaddeus", "Ursula", "Valentin", "Wilhelmina", "Xanthe", "Yorick", "Zelda", "Alasdair", "Brunhild", "Casimir", "Drusilla", "Emeric", "Fabiola", "Gustav", "Henrika", "Ivo", "Josepha", "Konrad", "Lavinia", "Matthias", "Nerissa", "Odalys", "Pascoe", "Quentin", "Ragna", "Sebald", "Tamsin", "Ulrich", "Veronika", "Wenzel", "Ysolde", "Zoran", "Amabel", "Bertrand", "Clementine", "Dietmar", "Eudora", "Florian", "Griselda", "Hartmut", "Isolda", "Jasper", "Kerensa", "Lorcan", "Melisande", "Norbert", "Ophelia", "Prosper", "Ramona", "Silvan", "Theodora", "Umberto", "Verity", "Wolfram", "Annelise", "Benedikt", "Cordula", "Desmond", "Elspeth", "Ferdinand", "Gudrun", "Hubert", "Imelda", "Joachim", "Leocadia", "Magnus", "Nadezhda", "Orlando", "Petronella", "Rufus", "Seraphina", "Tobias"]
)
PLACES = tuple(
    ["Varnholt", "Ostrelby", "Hollowmere", "Quenby", "Tarrowick", "Brackensea", "Dunmarrow", "Elverstrand", "Fennacre", "Gristhorpe", "Halverdun", "Inkleford", "Jorvaska", "Kestrelmouth", "Lindenfurt", "Mossingham", "Nettlecombe", "Orlavik", "Pellworth", "Quarrelton", "Rusthaven", "Saltmarrow", "Thornaby-Under", "Umberley", "Vellichor", "Wexmoor", "Yarrowgate", "Zellenbruck", "Aldermoss", "Birchwater", "Carrowmint", "Drizzleton", "Eastrigg", "Foxglen", "Greyfallow", "Hartsend", "Islemar", "Jessamy", "Kolvenstad", "Larkspire", "Merrowdale", "Norringate", "Oakenfold", "Pipersholm", "Ravelin", "Skerrywick", "Tidewell", "Upperlune", "Vintermark", "Willowsby", "Ashenvale", "Bellamoor", "Cinderbay", "Dovermantle", "Emberlough", "Farrowdene", "Gullhaven", "Heronsey", "Ivelmouth", "Juniperton", "Knotwick", "Lapwinger", "Marlowdun", "Nimbleford", "Otterquay", "Plumstrand", "Quillhampton", "Rookersby", "Sandwhistle", "Tarnmouth", "Wrenfield", "Amblecliff", "Bramblesund", "Candleport", "Dapplemoor", "Evenlode-Sur", "Finchingford", "Gorsebeck", "Hazelrath", "Lanternfjord", "Mistleburgh"]
)
ROLES = tuple(
    ["beekeeper", "lighthouse-keeper", "botanist", "plumber", "ventriloquist", "baker", "cartographer", "dentist", "chimney-sweep", "locksmith", "piano-tuner", "postman", "schoolteacher", "ferryman", "clockmaker", "trapeze-artist", "florist", "detective", "tailor", "goatherd", "translator", "taxidermist", "nurse", "glassblower", "stationmaster", "widow", "carpenter", "gravedigger", "pastry-cook", "weatherman", "bookseller", "acrobat", "fisherman", "optician", "bus-driver", "violinist", "puppeteer", "archivist", "novelist", "duchess", "smuggler", "soprano", "magician", "veterinarian", "midwife", "tram-conductor", "blacksmith", "geologist", "hairdresser", "mayor", "cobbler", "stowaway", "conductor", "butcher", "landlord", "deep-sea-diver", "chemist", "gardener", "bell-ringer", "goalkeeper", "apprentice", "astronomer", "explorer", "umbrella-maker", "inspector", "orphan", "usher", "accountant", "engineer", "architect", "interpreter", "illusionist", "organist", "electrician", "actuary", "emperor", "antiquarian", "oboist", "ambassador", "insomniac"]
)
MANNERS = tuple(
    ["retired", "one-legged", "short-sighted", "sleepless", "homesick", "young", "elderly", "shy", "nervous", "talkative", "unmarried", "bankrupt", "red-haired", "runaway", "suspicious", "disgraced", "part-time", "absent-minded", "superstitious", "penniless", "bearded", "seasick", "jilted", "left-handed", "provincial", "curious"]
)
MATERIALS = tuple(
    ["brass", "stuffed", "cardboard", "bottle-green", "haunted", "stolen", "two-hundred-year-old", "ticking", "mysterious", "locked", "secondhand", "tartan-covered", "underwater", "three-legged", "waterlogged", "rusty", "pickled", "inflatable", "velvet-lined", "moth-eaten", "nameless", "miniature", "six-foot", "singing", "buried", "mail-order", "yellow", "oversized", "talking", "upside-down"]
)
OBJECTS = tuple(
    ["accordion", "lighthouse", "suitcase", "teapot", "barge", "parrot", "grandfather-clock", "tuba", "caravan", "windmill", "gramophone", "lawnmower", "violin", "bathtub", "diary", "canoe", "map", "globe", "cuckoo", "penguin", "piano", "submarine", "typewriter", "greenhouse", "wardrobe", "trombone", "portrait", "samovar", "telescope", "coffin", "balloon", "goat", "sewing-machine", "chandelier", "bicycle", "bakery", "rowing-boat", "fortune", "vineyard", "snow-globe", "carousel", "hat-stand", "recipe-book", "key", "fishing-rod", "cello", "tortoise", "hearse", "fountain", "pedalo", "kiosk", "elevator", "umbrella", "igloo", "armchair", "ostrich", "omnibus", "orchard", "anvil", "easel", "aquarium", "envelope", "octopus"]
)
DEEDS = tuple(
    ["inherits", "steals", "buys", "discovers", "repairs", "loses", "paints", "guards", "smuggles", "sells", "restores", "borrows", "hides", "rescues", "dismantles", "adopts", "wins", "photographs", "pawns", "catalogues"]
)
RELATIVES = tuple(
    ["brother", "sister", "mother", "father", "aunt", "uncle", "cousin", "grandmother", "grandfather", "neighbour", "dentist", "flatmate", "landlady", "colleague", "nephew", "niece", "godmother", "barber", "boss", "postman", "stepfather", "piano-teacher"]
)
WEATHERS = tuple(["rainy", "foggy", "snowy", "windy", "sunny", "drizzly", "frosty", "humid", "cloudless", "misty", "thundery", "mild"])
DAYS = tuple(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
SNACKS = tuple(
    ["popcorn", "liquorice", "peppermints", "peanuts", "toffees", "pretzels", "crisps", "marzipan", "raisins", "walnuts", "gherkins", "nougat", "waffles", "pistachios", "tangerines", "cherries", "biscuits"]
)
VEHICLES = tuple(["tram", "bus", "train", "ferry", "taxi", "cable-car", "tandem", "trolleybus", "minibus", "moped"])
GENRES = tuple(
    ["western", "thriller", "comedy", "musical", "melodrama", "fable", "whodunit", "romance", "costume-drama", "ghost-story", "road-movie", "farce", "heist", "documentary", "spy-film", "fairy-tale", "war-film", "courtroom-drama"]
)
DECADES = tuple(["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"])
DIRECTORS = tuple(["debut", "second", "third", "fourth", "fifth", "sixth", "seventh", "ninth"])
CINEMAS = tuple(
    ["Rialtina", "Palacium", "Odeonette", "Luxoriel", "Apollina", "Majestine", "Coronelle", "Scalabrina", "Tivolette", "Alhambrine"]
)


class Frames(NamedTuple):
    """The sentence frames of one family; the test part never draws from `train`, nor train from `test`."""

    train: tuple[str, ...]
    test: tuple[str, ...]


# Frames for an opinion on the aspect {c}. Those under SAYS mean what their word says, those under DENIES the opposite.
SAYS = Frames(
    train=(
        "the {c} {was} {adj}",
        "the {c} {was} truly {adj}",
        "the {c} struck me as {adj}",
        "I found the {c} {adj}",
        "I thought the {c} {adj}",
        "the {c} seemed {adj} to me",
        "the {c} felt {adj}",
        "the {c} {was} {adj}",
        "I remember the {adj} {c}",
        "there was something {adj} about the {c}",
        "the {c} came across as {adj}",
        "the {c} proved {adj}",
        "the {c} turned out {adj}",
        "for me the {c} {was} {adj}",
        "everything about the {c} seemed {adj}",
        "my notes call the {c} {adj}",
        "the {c} {was}, in a word, {adj}",
        "the {c} {was} {adj} and {adj2}",
        "the {c} left me whispering the word {adj}",
        "the {adj} {c} reached even the back row",
        "we all agreed that the {c} {was} {adj}",
    ),
    test=(
        "the {c} appeared {adj} to me",
        "to me the {c} {was} {adj}",
        "the {c} {was} both {adj} and {adj2}",
        "both of us thought the {c} {adj}",
        "the {c} {was} {adj} to me",
        "I would describe the {c} as {adj}",
        "the {c} {was} about as {adj} as can be",
        "everyone in the room thought the {c} {adj}",
    ),
)
DENIES = Frames(
    train=(
        "the {c} {was} far from {adj}",
        "the {c} {was} anything but {adj}",
        "nobody could call the {c} {adj}",
        "I did not find the {c} {adj}",
        "the {c} never felt {adj}",
        "there was nothing {adj} about the {c}",
        "the {c} {was} not {adj} at all",
        "the {c} {was} hardly ever {adj}",
        "the {c} {was} not {adj}",
        "the {c} {was} by no means {adj}",
        "I would not call the {c} {adj}",
        "the {c} {was} never {adj}",
        "not for a moment did the {c} seem {adj}",
        "the {c} hardly struck me as {adj}",
        "the {c} {was} neither {adj} nor {adj2}",
        "only the director's {relative} could call the {c} {adj}",
        "the {c} {was} in no way {adj}",
        "it would be wrong to call the {c} {adj}",
        "the {c} {was} not even slightly {adj}",
        "no one in our row found the {c} {adj}",
        "the {c} {was} nothing like {adj}",
    ),
    test=(
        "the {c} did not strike me as {adj}",
        "I never thought the {c} {adj}",
        "nobody in the room found the {c} {adj}",
        "the {c} {was} far from being {adj}",
        "the {c} {was} not in any way {adj}",
        "to call the {c} {adj} would be wrong",
        "the {c} {was} hardly {adj}",
    ),
)
# The same two kinds in the mouth of somebody else; each is a sentence of its own.
RIGHTLY_SAID = Frames(
    train=(
        "my {relative} called the {c} {adj}, and rightly so",
        "the {role} beside me whispered that the {c} {was} {adj}, and I nodded",
        "my {relative} says the {c} {was} {adj}, and I agree with every word",
        "{name} told me that the {c} {was} {adj}, and {name} was right",
        "I had read that the {c} {was} {adj}, and it is true",
    ),
    test=(
        "according to my {relative} the {c} {was} {adj}, and I agree",
        "the {role} behind us called the {c} {adj} and was right",
    ),
)
WRONGLY_SAID = Frames(
    train=(
        "my {relative} called the {c} {adj}, but I disagree",
        "{name} swears that the {c} {was} {adj}, and {name} is wrong",
        "the papers called the {c} {adj}, which is nonsense",
        "my {relative} had promised me that the {c} {was} {adj}; what nonsense",
        "the critics found the {c} {adj}, but they must have seen another film",
        "I had read that the {c} {was} {adj}, and I had been misled",
    ),
    test=(
        "{name} describes the {c} as {adj}, and I disagree",
        "my {relative} thought the {c} {adj}, but my {relative} is wrong",
        "according to the papers the {c} {was} {adj}; nonsense",
    ),
)
# Two clauses joined: of opposite opinions, and of the same opinion.
CONTRASTS = Frames(
    train=(
        "{first}, but {second}",
        "{first}, yet {second}",
        "while {first}, {second}",
        "although {first}, {second}",
        "{first}, whereas {second}",
        "granted, {first}; still, {second}",
        "it is true that {first}, but {second}",
        "{first}, though {second}",
        "{first}; on the other hand, {second}",
    ),
    test=(
        "true, {first}, but {second}",
        "even though {first}, {second}",
        "on the one hand, {first}; on the other, {second}",
        "{first}, and yet {second}",
    ),
)
AGREEMENTS = Frames(
    train=("{first}, and {second}", "{first}; {second}", "{first}, and what is more, {second}"),
    test=("{first}, and besides, {second}", "{first}, and then {second}"),
)
# What decides for the writer, as the last word of the review ...
VERDICTS = Frames(
    train=(
        "but I go to the cinema for the {c}",
        "in the end it is the {c} that counts",
        "then again, I judge a film by its {c} and by nothing else",
        "all the rest is wrapping; I came for the {c}",
        "for someone like me the {c} {decides} everything",
        "and since I pay for the {c}, that settles it",
        "my verdict hangs on the {c} alone",
        "as {a_role}, I care only about the {c}",
        "my stars are for the {c}, and you can keep the rest",
        "as ever, I let the {c} have the last word",
        "when the lights go up, I only ask about the {c}",
        "what made up my mind on the {vehicle} home was the {c}",
        "my {relative} can judge the rest; I am here for the {c}",
        "nothing weighs more with me than the {c}",
        "a film stands or falls with its {c}, I always say",
        "everything else is decoration; the {c} {is} the house",
        "I settle these matters by the {c}",
        "on the way home only the {c} mattered",
        "if a film is a cake, the {c} {is} the flour",
        "I would trade everything else for the {c}",
        "show me the {c} and I will tell you what the film is worth",
        "it is the {c} that I shall remember next {day}",
        "I give my stars to the {c} or to nobody",
        "what counts with me is the {c}",
    ),
    test=(
        "but what I pay for is the {c}",
        "and the {c}, as ever, made up my mind",
        "my stars hang on the {c} and only on the {c}",
        "for me nothing counts like the {c}",
        "let my {relative} judge the rest; I go by the {c}",
        "of all these things only the {c} mattered to me",
        "then again, the one thing I ask about is the {c}",
        "in the end I came for the {c}",
    ),
)
# ... and as its first word.
CREEDS = Frames(
    train=(
        "some go to the cinema for the stars, I go for the {c}",
        "let me say at once that I judge every film by its {c}",
        "you should know that I only ever care about the {c}",
        "before anything else: the one thing I want from a film is the {c}",
        "readers of this column know that the {c} {decides} everything here",
        "I bought my ticket for the {c} and for nothing else",
        "I have always gone to films for the {c}",
        "my one rule is that the {c} must be right",
        "first things first: I came for the {c}",
        "my {relative} says that I think of nothing but the {c}",
        "I am one of those who measure a film by the {c}",
        "it was for the {c} that I left the house",
    ),
    test=(
        "I should say at once that I only want to know about the {c}",
        "I left the house for the {c} and for nothing else",
        "my one rule is to judge a film by the {c}",
        "first of all: I am one of those who go for the {c}",
    ),
)
# Sentences that only furnish the scene.
OPENINGS = Frames(
    train=(
        "{title} is about {a_role} and {a_material} {object}",
        "in {title}, {a_role} {deed} {a_material} {object}",
        "{title} is {a_genre} with {a_manner} {role}",
        "{name}, {a_manner} {role}, {deed} {a_object} in {title}",
        "I saw {title} on a {weather} {day}",
        "my {relative} dragged me to {title}",
        "a {weather} {day}, the {cinema}, and {title}",
        "{title} tells of {name} and {a_object}",
        "{title} is {a_genre} set in {place}",
        "{a_role} and {a_material} {object}: that is {title}",
        "the {cinema} gave us {title} on {day}",
        "next came {title}, {a_genre} from the {decade}",
    ),
    test=(
        "{title} gives {a_manner} {role} {a_material} {object}",
        "on {day} my {relative} and I saw {title}",
        "{title} is about {name}, who {deed} {a_object}",
        "{a_role} from {place} and {a_object}: that is {title}",
        "I saw {title}, {a_genre}, at the {cinema}",
    ),
)
CLOSINGS = Frames(
    train=(
        "we took the {vehicle} home to {place}",
        "my {relative} ate all the {snack}",
        "outside it was {weather}",
        "I walked home with the {snack}",
        "the {cinema} shows it until {day}",
        "my {relative} slept through the credits",
        "the {vehicle} home was late",
        "{name} is planning another one about {a_object}",
    ),
    test=(
        "afterwards we ate {snack} on the {vehicle}",
        "the {vehicle} to {place} was late",
        "it runs at the {cinema} until {day}",
    ),
)
TITLES = (
    "The {title_adjective} {title_noun} of {place}",
    "{name} and the {title_adjective} {title_noun}",
    "{number} {title_noun}s to {place}",
    "A {title_noun} for {name}",
    "The {place} {title_noun}",
    "The {title_noun}, the {title_noun2} and {name}",
    "{title_adjective} {day} in {place}",
)
