"""Everyday prose to look at heads on when no file is given: stories, a report, a recipe, a letter, a dialogue."""

from __future__ import annotations

TEXTS = (
    "Anna and Peter lived in a small house near the river. Every morning Anna opened the window and looked at the "
    "river, and every morning Peter made coffee. One day Anna saw a boat on the river. There was nobody in the boat. "
    '"Peter," said Anna, "come and look at the boat." Peter came to the window with the coffee in his hand. "I know '
    'that boat," said Peter. "It is the boat of the old man who lives on the other side of the river."',
    "The old man had lost his boat in the storm. He stood on the other side of the river and waved his hat. Anna and "
    "Peter took a rope and ran to the bridge. When the boat came under the bridge, Peter threw the rope and Anna held "
    "it. The old man thanked Anna and Peter, and gave them a basket of apples. In the evening Anna baked a cake with "
    "the apples, and they ate the cake by the window.",
    "The city has three museums. The first museum is about the history of the city. The second museum has paintings "
    "from France and Italy. The third museum is for children, who can touch everything there. The museums are open "
    "from Tuesday to Sunday, and they are closed on Monday. A ticket for one museum costs five euros, and a ticket for "
    "all three museums costs twelve euros. Children under six do not need a ticket.",
    "To make the soup, cut two onions and three carrots into small pieces. Heat some oil in a large pot and put the "
    "onions into the pot. When the onions are soft, add the carrots, a litre of water and a little salt. Cook the soup "
    "for twenty minutes. Then add the beans and cook the soup for another ten minutes. Serve the soup hot, with bread. "
    "What is left of the soup can be kept for two days.",
    "Dear Clara, thank you for your letter. I was glad to hear that you and John are well, and that the children like "
    "their new school. We are well too. Last week my brother came to see us, and on Saturday we all went to the lake. "
    "The water was cold, but my brother swam to the island and back. Please write soon, and tell John that my brother "
    "still has his book. With love to you, to John and to the children, your friend Lucy.",
    "In March the company sold four thousand bicycles, and in April the company sold five thousand. The manager said "
    "that the new bicycles were lighter than the old bicycles and cost less. In May there was a strike at the factory, "
    "and the company sold only two thousand bicycles. The manager said that the strike was over and that the factory "
    "would make more bicycles in June than in March, April and May together.",
    '"Where were you yesterday?" asked the teacher. "I was at home," said Tom. "And why were you at home?" asked the '
    'teacher. "I was ill," said Tom. "Were you really ill?" asked the teacher. Tom looked at the floor. "I was not '
    'really ill," said Tom. "I was tired, because I had read a book all night." "Which book?" asked the teacher. Tom '
    "gave the teacher the book, and the teacher smiled, because it was a good book.",
    "The moon goes round the earth in about a month, and the earth goes round the sun in a year. The moon has no light "
    "of its own: what we see is the light of the sun. When the moon stands between the earth and the sun, we see no "
    "moon at all, and that is called a new moon. When the earth stands between the sun and the moon, we see the whole "
    "moon, and that is called a full moon. From one full moon to the next it takes about twenty-nine days.",
    "The train from London to Paris leaves at nine and arrives at noon. The train from Paris to London leaves at two "
    "and arrives at four, because the clocks in London are an hour behind the clocks in Paris. Mr Brown takes the "
    "train from London to Paris every Monday, and the train from Paris to London every Friday. In the train Mr Brown "
    "reads the newspaper. When Mr Brown has read the newspaper, he gives the newspaper to the person beside him.",
    "A dog and a cat lived on the same farm. The dog slept in the yard, and the cat slept in the kitchen. The dog said "
    'to the cat: "You are lucky, for you sleep in the warm kitchen." The cat said to the dog: "You are lucky, for you '
    'see the stars at night." So one night the dog slept in the kitchen and the cat slept in the yard. In the morning '
    "the dog said that the kitchen was too warm, and the cat said that the stars were too cold.",
    "The bridge was built in 1902 and rebuilt in 1951. It is two hundred metres long and twelve metres wide. Before "
    "the bridge was built, people crossed the river in a boat, and in winter, when there was ice on the river, they "
    "did not cross the river at all. Today ten thousand people cross the bridge every day. The engineers say that the "
    "bridge is safe, but that it has to be painted again before the winter.",
    "Nora wanted to plant a tree. Her father gave her a shovel, and her mother gave her a small apple tree. Nora dug a "
    "hole with the shovel and put the apple tree into the hole. Then Nora gave the apple tree some water. Every day "
    'Nora looked at the apple tree, and every day the apple tree looked the same. "Trees are slow," said her father. '
    '"Trees are very slow," said her mother. But in the spring the apple tree had one white flower.',
)
